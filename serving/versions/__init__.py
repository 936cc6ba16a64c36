"""Which versions are wanted, loaded, leased and unloaded."""
