"""Programs for `sandbox.Resident`: only these load a provider's model. Never import them elsewhere."""
