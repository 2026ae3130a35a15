"""What hsiattn does with foreign scenes, known bad inputs, damaged files, and when it is killed."""
