"""What each address does: one file per family of routes, `async (edge, request) -> Response`."""
