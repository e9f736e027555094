"""How fast and how big: this package beside what a competent user would write by hand."""
