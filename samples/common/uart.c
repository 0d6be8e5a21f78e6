/* The 16550A: polled output, and input for the sample's interrupt handler. */
#include "guest.h"

static int early = -1;
u32 uart_overruns;

/*
 * Turning the FIFO on empties the receiver (16550 data sheet, FCR bit 0), so a byte that came before is kept here, and a
 * FIFO that is on already is left alone: no input is lost, however early it comes.
 */
void uart_init(void)
{
    write8(UART_IER, 0);
    write8(UART_LCR, LCR_8N1);
    if ((read8(UART_IIR) & IIR_FIFO_ON) == IIR_FIFO_ON)
        return;
    if (read8(UART_LSR) & LSR_DATA)
        early = read8(UART_RBR);
    write8(UART_FCR, FCR_ENABLE);
}

void uart_put(char c)
{
    while (!(read8(UART_LSR) & LSR_TX_EMPTY))
        ;
    write8(UART_THR, c);
}

void uart_interrupts_on(u8 trigger)
{
    write8(UART_FCR, FCR_ENABLE | trigger);
    write8(UART_IER, IER_RX);
    plic_enable(UART_IRQ);
    csr_set(mie, MIP_MEIP);
}

int uart_receive(void)
{
    int c = early;
    early = -1;
    if (c >= 0)
        return c;
    u8 status = read8(UART_LSR);
    if (status & LSR_OVERRUN)
        uart_overruns++;
    return status & LSR_DATA ? read8(UART_RBR) : -1;
}
