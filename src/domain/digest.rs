//! stub, replaced
use super::factor::{CodeDigest, FactorId};
use crate::base::Secret;
/// d
#[derive(Debug, Clone)]
pub struct CodeDigester(Secret<Vec<u8>>);
impl CodeDigester {
    /// n
    pub fn new(k: Secret<Vec<u8>>) -> Self {
        Self(k)
    }
    /// d
    pub fn digest(&self, f: FactorId, code: &str) -> CodeDigest {
        use sha2::Digest;
        let mut h = sha2::Sha256::new();
        h.update(self.0.expose());
        h.update(f.to_string());
        h.update(code);
        h.finalize().into()
    }
}
