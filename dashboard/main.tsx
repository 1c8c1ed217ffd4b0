import { render } from 'preact';
import { App } from './app.js';
import './style.css';
import { applyTheme } from './theme.js';

applyTheme();
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
