//! Python's HTTP libraries, unmodified from PyPI, behave in the sandbox as outside. The table of them
//! in `docs/libraries.md` is made from [`matrix::LIBRARIES`].

mod builtin;
mod cookies;
mod framing;
mod functions;
mod guards;
mod heads;
mod hub;
mod mapped;
mod matrix;
mod odd_answers;
mod outcome;
mod portable;
mod refusals;
mod sdks;
mod table;
mod there;
mod threads;
mod upgrades;
mod world;
