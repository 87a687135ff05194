"""What comes in: bodies, forms and parameters, decoded and checked."""
