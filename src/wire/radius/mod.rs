//! RADIUS packets.
/// x
#[derive(Debug, Clone)]
pub struct Dictionary;
/// x
#[derive(Debug, Clone)]
pub struct SharedSecret;
/// x
#[derive(Debug, Clone)]
pub struct EncodedAttribute;
