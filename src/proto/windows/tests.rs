//! Receive windows without IO.
