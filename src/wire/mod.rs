//! The vendor's wire format, and nothing else: parameters, signatures, error codes and the envelope of an
//! answer. Pure functions: no clock, no I/O, no configuration.

pub mod error;
pub mod json;
pub mod params;
pub mod response;
pub mod signature;

/// The API version that all clients send.
pub const VERSION: &str = "2019-03-15";
