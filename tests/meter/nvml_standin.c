/* nvml_standin.c: three cards that are none, behind the names of NVIDIA's library: one counts energy, one tells watts, one refuses. For test_nvml.
 * SPDX-License-Identifier: MIT */
static unsigned long long mj = 5000;
static unsigned mw = 30000;
static int begun;

int nvmlInit_v2(void)
{
	return begun++, 0;
}
int nvmlShutdown(void)
{
	return begun--, 0;
}
int nvmlDeviceGetCount_v2(unsigned *n)
{
	*n = 3;
	return begun == 1 ? 0 : 1;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **card)
{
	*card = (void *)(unsigned long)(i + 1);
	return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *card, unsigned long long *out)
{
	mj += 20000;
	*out = mj;
	return (unsigned long)card == 1 ? 0 : 3;
}
int nvmlDeviceGetPowerUsage(void *card, unsigned *out)
{
	mw += 1000;
	*out = mw;
	return (unsigned long)card == 3 ? 4 : 0;
}
