//! What the vendor dictates on the wire, and nothing else: parameters, signatures, error codes and
//! the envelope of an answer. Pure: no clock, no I/O, no configuration.

pub mod error;
pub mod json;
pub mod params;
pub mod response;
pub mod signature;

/// The API version that all clients name.
pub const VERSION: &str = "2019-03-15";
