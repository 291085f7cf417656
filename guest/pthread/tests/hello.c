// A program that has nothing to do with threads.
#include <stdio.h>

int main(void) { return printf("ok\n") == 3 ? 0 : 1; }
