//! Tests of the records store.
