"""Rules between fields: what no field can check alone."""
