//! Governed calls to systems.
