"""What single calls cost: small requests, one or a thousand at a time, and answers that are cached."""
