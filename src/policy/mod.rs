//! Statements, specialise, verdict, prospect, judge, show.
