"""The HTTP edge: a Starlette router behind thin ASGI layers. `routes` is the table to start reading at."""
