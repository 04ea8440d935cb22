//! Python's HTTP libraries, unmodified from PyPI, do in the sandbox what they do outside it. The
//! table of them in the README is made from [`matrix::LIBRARIES`].

mod builtin;
mod cookies;
mod framing;
mod functions;
mod heads;
mod hub;
mod mapped;
mod matrix;
mod outcome;
mod portable;
mod refusals;
mod table;
mod there;
mod threads;
mod upgrades;
mod world;
