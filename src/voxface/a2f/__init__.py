"""Speech in, faces out in the gRPC shape of NVIDIA's Audio2Face-3D (extra `a2f`): docs/serving.md."""
