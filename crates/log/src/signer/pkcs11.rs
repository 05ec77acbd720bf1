//! Checkpoint keys in a device, by PKCS #11 (`CKM_EDDSA`): the key never leaves it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use affiant_tlog::VerifierKey;
use affiant_tlog::note::KeyName;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use super::{CheckpointSigner, SignerError};

/// Which key of which token.
#[derive(Debug, Clone)]
pub struct Pkcs11Key<'a> {
    /// The device's library, such as `/usr/lib/softhsm/libsofthsm2.so`.
    pub module: &'a Path,
    /// The token's label.
    pub token: &'a str,
    /// The label of the key pair in the token.
    pub label: &'a str,
}

/// An Ed25519 key in a PKCS #11 token. The session is opened again after an error, so that a device
/// that was away is used when it is back.
pub struct Pkcs11Signer {
    module: Pkcs11,
    token: String,
    label: String,
    pin: AuthPin,
    verifier: VerifierKey,
    session: Mutex<Option<(Session, ObjectHandle)>>,
}

impl Pkcs11Signer {
    /// Logs in to the token and finds the key pair. The name is the log's origin.
    ///
    /// # Errors
    ///
    /// [`SignerError::Device`] where module, token, PIN or key are not as said.
    pub fn open(key: &Pkcs11Key<'_>, pin: String, name: KeyName) -> Result<Self, SignerError> {
        let module = Pkcs11::new(key.module).map_err(device)?;
        let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        match module.initialize(flags) {
            // Another key of this process is in the same module.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(device(error)),
        }
        let pin = AuthPin::new(pin.into());
        let session = open_session(&module, key.token, &pin)?;
        let public = find(&session, ObjectClass::PUBLIC_KEY, key.label)?;
        let point = session.get_attributes(public, &[AttributeType::EcPoint]);
        let point = point.map_err(device)?.into_iter().find_map(|attribute| {
            if let Attribute::EcPoint(point) = attribute {
                public_key(&point)
            } else {
                None
            }
        });
        let point = point.ok_or_else(|| missing("public key of 32 bytes", key.label))?;
        let verifier = VerifierKey::new(name, &point).map_err(|error| SignerError::new(&error))?;
        let private = find(&session, ObjectClass::PRIVATE_KEY, key.label)?;
        Ok(Self {
            module,
            token: key.token.to_owned(),
            label: key.label.to_owned(),
            pin,
            verifier,
            session: Mutex::new(Some((session, private))),
        })
    }

    fn connect(&self) -> Result<(Session, ObjectHandle), SignerError> {
        let session = open_session(&self.module, &self.token, &self.pin)?;
        let private = find(&session, ObjectClass::PRIVATE_KEY, &self.label)?;
        Ok((session, private))
    }
}

impl CheckpointSigner for Pkcs11Signer {
    fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, text: &str) -> Result<[u8; 64], SignerError> {
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let (session, key) = match held.take() {
            Some(session) => session,
            None => self.connect()?,
        };
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure));
        let signature = session.sign(&mechanism, key, text.as_bytes());
        let signature = signature.map_err(device)?;
        *held = Some((session, key));
        signature.try_into().map_err(|_| SignerError::Malformed)
    }
}

impl std::fmt::Debug for Pkcs11Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pkcs11Signer({}, pin withheld)", self.verifier.key_ref())
    }
}

fn open_session(module: &Pkcs11, token: &str, pin: &AuthPin) -> Result<Session, SignerError> {
    let slot = find_slot(module, token)?;
    let session = module.open_ro_session(slot).map_err(device)?;
    match session.login(UserType::User, Some(pin)) {
        // The login is the process's, not the session's.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(device(error)),
    }
}

fn find_slot(module: &Pkcs11, token: &str) -> Result<Slot, SignerError> {
    for slot in module.get_slots_with_initialized_token().map_err(device)? {
        let info = module.get_token_info(slot).map_err(device)?;
        if info.label().trim_end() == token {
            return Ok(slot);
        }
    }
    Err(missing("token", token))
}

/// The one object of this class and label.
fn find(session: &Session, class: ObjectClass, label: &str) -> Result<ObjectHandle, SignerError> {
    let template = [
        Attribute::Class(class),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    match session.find_objects(&template).map_err(device)?.as_slice() {
        [one] => Ok(*one),
        [] => Err(missing("key", label)),
        _ => Err(SignerError::Device {
            reason: format!("token has several keys `{label}`"),
        }),
    }
}

/// A public key, bare or as a DER octet string: devices differ.
fn public_key(point: &[u8]) -> Option<[u8; 32]> {
    let bare = point.strip_prefix(&[0x04, 0x20]).unwrap_or(point);
    bare.try_into().ok()
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn device(error: Error) -> SignerError {
    SignerError::new(&error)
}

fn missing(what: &str, name: &str) -> SignerError {
    SignerError::Device {
        reason: format!("no {what} `{name}`"),
    }
}
