// Nothing: it belongs to the target whose headers all test programs share. See CMakeLists.txt.
