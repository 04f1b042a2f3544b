// weft-lab: what a choice of the scheduler, or a change to a program, really does.
#include "commands.h"

int main(int argc, char** argv) { return weft_lab::run_command(argc, argv); }
