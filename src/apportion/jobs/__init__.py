"""Commands that run under watch: training and batch jobs, and what they use of the GPUs of their host."""
