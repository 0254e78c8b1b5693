"""One frame into network packets, and packets on their way."""
