//! What is acknowledged survives: faults of the storage, disks that are full.

mod faults;
mod full;
mod process;
