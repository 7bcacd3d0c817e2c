//! A small app to try Vestibule on.
