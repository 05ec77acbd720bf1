//! A running digest over exactly the bytes of a message.

/// Sees each byte of one JSON-RPC message, once and in order, while the scanner reads it.
///
/// The scanner holds one tap as a prototype and clones it at the first byte of every message (of
/// every element of a batch), so a keyed hash is cloned with its key already absorbed. How the
/// bytes are cut into calls of [`update`](Self::update) is not defined.
pub trait Tap: Clone {
    /// What the tap makes of a message.
    type Out;

    /// Takes the next bytes of the message; they may be empty.
    fn update(&mut self, bytes: &[u8]);

    /// Ends the message.
    fn finish(self) -> Self::Out;
}

/// No digest.
impl Tap for () {
    type Out = ();

    fn update(&mut self, _bytes: &[u8]) {}

    fn finish(self) {}
}
