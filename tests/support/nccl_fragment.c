/* A library that says it is NCCL 2.28.9 and has hardly any of it. */
int ncclGetVersion(int *version) {
  *version = 22809;
  return 0;
}
int ncclGetUniqueId(void *id) { return id == 0; }
