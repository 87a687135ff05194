"""The provider that needs nobody: speech recognised and answers extracted on this machine."""
