//! Governed calls against systems that misbehave.
