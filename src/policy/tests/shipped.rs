//! The shipped access files load over the shipped schema and say what the demo promises.
