//! Whole columns: against closed forms, against the real Heapster, and in time.
