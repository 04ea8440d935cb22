//! What was allowed stays in the record, whatever else a guest does.
