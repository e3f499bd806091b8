//! Stand-ins for systems, and the demo.
