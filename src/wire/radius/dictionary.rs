//! Attributes by name.

use super::attribute::EncodedAttribute;

/// To be written: name, number, type, encryption, named values of attributes.
#[derive(Debug, Clone, Default)]
pub struct Dictionary;
/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// Text.
    String,
}
/// What the dictionary knows of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition;
/// Why a text is no value for an attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub String);

impl Dictionary {
    /// All attributes known.
    pub fn standard() -> Self {
        Self
    }
    /// Encodes `name` (with an optional tag, as in `Tunnel-Type:1`) and its value.
    pub fn encode(&self, _name: &str, _text: &str) -> Result<EncodedAttribute, ValueError> {
        Err(ValueError("".into()))
    }
}
