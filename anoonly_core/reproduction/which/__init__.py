"""Which method when: all systems on all data sets over the number of labels, ranked with corrected tests."""
