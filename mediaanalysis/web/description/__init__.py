"""The contract in words: OpenAPI made from the same structs, and the pages that show it."""
