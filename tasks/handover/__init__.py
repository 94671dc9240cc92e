"""Windows programs that hand their work to this process: the host's compiler, under other names."""
