"""Programs for `sandbox.Resident`: only these parse documents and load models. Never import them elsewhere."""
