"""What a quota's requests are wasted on: this package's limiter beside what others do."""
