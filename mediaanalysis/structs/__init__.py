"""Values shared by the layers: frozen structs without behaviour beyond what they derive from themselves."""
