//! What may be stored and what may be reused: the pure half of the cache (RFC 9111).
