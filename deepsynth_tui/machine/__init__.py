"""The GPUs of this machine (NVML), the catalogue of GPUs, and matching one to the other."""
