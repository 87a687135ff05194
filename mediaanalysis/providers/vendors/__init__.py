"""One file per wire protocol, over one thin HTTP client."""
