"""Text becomes speech with phone times and the mouth that goes with it; real speech gets phone times."""
