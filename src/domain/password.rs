//! stub
/// v
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordVerdict {
    /// r
    Right(usize),
    /// w
    Wrong,
    /// e
    Expired(usize),
}
