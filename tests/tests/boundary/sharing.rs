//! Runs of one sandbox at once share nothing by accident.
