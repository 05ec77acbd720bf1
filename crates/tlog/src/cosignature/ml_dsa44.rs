//! ML-DSA-44 of FIPS 204, behind byte slices.

use ml_dsa::{
    EncodedVerifyingKey, Keypair as _, MlDsa44, Seed, Signature, Signer as _, Verifier as _,
};

/// A public key that is ready to verify.
#[derive(Clone)]
pub(super) struct PublicKey(Box<ml_dsa::VerifyingKey<MlDsa44>>);

/// A private key that is ready to sign.
pub(super) struct PrivateKey(Box<ml_dsa::SigningKey<MlDsa44>>);

impl PublicKey {
    /// Reads a public key; `None` where it is not 1,312 bytes long (FIPS 204 table 2).
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let encoded = EncodedVerifyingKey::<MlDsa44>::try_from(bytes).ok()?;
        Some(Self(Box::new(ml_dsa::VerifyingKey::decode(&encoded))))
    }

    /// Whether these bytes are a signature over the message, with an empty context.
    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::<MlDsa44>::try_from(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

impl PrivateKey {
    /// The key of a seed (FIPS 204 algorithm 6).
    pub(super) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Box::new(ml_dsa::SigningKey::from_seed(&Seed::from(*seed))))
    }

    /// The encoded public key.
    pub(super) fn public_key(&self) -> Vec<u8> {
        self.0.verifying_key().encode().to_vec()
    }

    /// The seed, **secret**.
    pub(super) fn seed(&self) -> &[u8] {
        self.0.as_seed()
    }

    /// Signs, deterministically, with an empty context.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).encode().to_vec()
    }
}
